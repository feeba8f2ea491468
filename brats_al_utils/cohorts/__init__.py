"""Find a cohort's patients, read their files, split them and cut slices."""
