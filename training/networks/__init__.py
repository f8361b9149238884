"""The networks and linear models that are trained here, and the pretrained backbones."""
