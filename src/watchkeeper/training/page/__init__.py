"""The page of a run: HTML with drawings made here, without a script, so that it opens anywhere and reaches nothing."""
