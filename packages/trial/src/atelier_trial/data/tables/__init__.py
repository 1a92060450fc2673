"""Tables as people have them: with words, dates and gaps, in many formats, read by polars."""
