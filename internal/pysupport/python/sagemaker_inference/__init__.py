"""What inference scripts import of the toolkit of AWS's serving images, written anew from its documented behaviour."""
