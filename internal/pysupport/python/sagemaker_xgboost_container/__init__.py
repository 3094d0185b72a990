"""What scripts import of AWS's XGBoost image, written anew from its documented behaviour. It works with XGBoost 1.0 and later."""
