"""What retention models can have around them: groups and covariates, seasons, promotions, and a path of months."""
