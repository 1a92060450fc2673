"""What other tools read of a search: tables, an Optuna study, runs of MLflow."""
