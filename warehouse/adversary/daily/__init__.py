"""The daily job: evidence against users over time, trust, groups; `periodic.run` judges the days that are over."""
