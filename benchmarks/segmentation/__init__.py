"""How well and how fast text is segmented, measured on gold that packages' markup gives."""
