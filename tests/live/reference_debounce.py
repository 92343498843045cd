"""The debounce that live alarms are compared with: a counter and a sticky timer."""


def reference_debounce(classes, normal_class):
    """Says for every frame whether an older live script would show "ERROR!".

    It counts frames of the same class as the frame before, normal ones aside, and
    shows the error from a count of 5 on; a timer keeps it shown for a while. Its
    faults, which are kept here: the first of five frames is not counted, so it needs
    six; alternating classes never count; the timer sticks at 19 after an error, so
    that the next one is shown for a single frame; a fault that persists is shown
    for 20 frames and not for 4, in turn.

    Args:
        classes: Predicted class of every frame, in order.
        normal_class: The class of good parts.

    Returns:
        List of bool, one per frame.
    """
    previous, counter, timer = normal_class, 0, 0
    shown = []
    for predicted in classes:
        same = predicted == previous and predicted != normal_class
        counter = counter + 1 if same else 0
        previous = predicted
        shown.append(counter >= 5 or 0 < timer <= 18)
        if shown[-1]:
            timer += 1
        if timer == 20:
            counter, timer = 0, 0
    return shown
