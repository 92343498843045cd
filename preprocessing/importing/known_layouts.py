"""The layouts of source folders that are known, and what each looks like."""

LOOKS = {
    "mvtec": "train/good/1.png, test/<class>/1.png, ground_truth/<class>/1_mask.png",
    "class_folders": "<class>/1.jpg",
    "image_mask_pairs": "1.jpg with 1.png or 1_mask.png, or images/ and masks/",
    "labelme": "1.jpg with 1.json",
    "coco": "a .json with images, annotations and categories",
    "voc": "1.jpg with 1.xml, or JPEGImages/ and Annotations/",
    "yolo": "images/1.jpg with labels/1.txt, and data.yaml or classes.txt",
    "csv": "images and a labels.csv with a column of file names and a column of labels",
    "good_parts": "1.jpg: every image is a good part",
}
LAYOUTS = tuple(LOOKS)
