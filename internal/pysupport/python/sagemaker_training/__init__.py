"""What training scripts import of the toolkit of AWS's training images, written anew from its documented behaviour."""
