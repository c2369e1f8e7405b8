"""Hidden token attribution: how much of each input token is in every hidden state and every head's output."""
