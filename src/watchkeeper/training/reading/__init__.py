"""Read runs that others wrote: logs of TensorBoard, Transformers and Keras, CSV, JSON lines; each is judged as if watched."""
