"""What retention models of all kinds can have around them: groups and covariates, seasons, promotions and a trend."""
