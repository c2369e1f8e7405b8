"""What every room needs: errors, and the statistics that reports and evaluations share."""
