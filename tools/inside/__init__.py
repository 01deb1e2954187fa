"""What also runs inside the image: these modules need nothing but production's requirements."""
