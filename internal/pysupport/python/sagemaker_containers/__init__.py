"""What scripts import of the library of AWS's older framework images, written anew from its documented behaviour."""
