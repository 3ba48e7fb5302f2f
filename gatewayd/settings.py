"""Process settings. Imported by `cli` and `app` only; everything else gets what it needs passed in."""
