"""DeepLabCut's tables of keypoints."""
