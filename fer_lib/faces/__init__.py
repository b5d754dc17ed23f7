"""Find faces in photos (MTCNN) and cut them out."""
