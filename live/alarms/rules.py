"""Alarm rules: when defective frames raise an alarm, and the rate of false alarms.

`--alarm-after` takes one of three rules, read by `parse_rule`.
"""

import argparse
import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FALSE_REJECTS = 0.01  # share of good frames rejected, where validate is not known
FAULT_REJECTS = 0.5  # share of frames rejected in the fault that cusum is tuned for
FRAMES_BETWEEN = 10_000  # frames between false alarms of plain `cusum`
LONGEST_RUN = 1_000
MOST_STATES = 40_000
STEPS = 10  # of cusum, in the evidence of a good frame
RAISED = OVER = -1


class Rule(NamedTuple):
    """When frames raise an alarm and when it is over, as two tables of states.

    Both start in state 0. Good and other frames lead from each state to the next; a
    defective frame may lead to RAISED, a good one to OVER.
    """

    text: str  # as given, such as "3/7"
    num_frames: int  # doubtful frames in a row for attention
    reach: int  # the latest defective frames, at most, that an alarm rests on
    after_good: tuple[int, ...]
    after_defect: tuple[int, ...]
    end_after_good: tuple[int, ...]
    end_after_other: tuple[int, ...]

    def frames_between_false_alarms(
        self, false_rejects: float = FALSE_REJECTS
    ) -> float:
        """Mean number of frames from the start to an alarm while all parts are good.

        Exact when each frame is rejected with the same probability, whatever its
        neighbours. Frames of a camera are not independent: one part is visible on
        several frames, and a reflection lasts. False rejects then come in series, and
        false alarms are more frequent, so test a rule on a recording of good production
        as well.

        Args:
            false_rejects: Share of good frames that are rejected, 0 to 1.

        Returns:
            Frames, 1 or more; infinite if no alarm is possible.
        """
        return mean_run_length(self.after_defect, self.after_good, false_rejects)

    def frames_between_false_ends(self, fault_rejects: float = FAULT_REJECTS) -> float:
        """Mean number of frames to the end of an event while the fault persists.

        Args:
            fault_rejects: Share of frames of the fault that are rejected, 0 to 1.

        Returns:
            Frames, 1 or more; see `frames_between_false_alarms`.
        """
        return mean_run_length(
            self.end_after_good, self.end_after_other, 1 - fault_rejects
        )


def mean_run_length(
    after_step: Sequence[int], after_other: Sequence[int], share: float
) -> float:
    """Mean number of frames until a Markov chain of states reaches its end, -1.

    Args:
        after_step, after_other: Next state of each state; only the first leads to the
            end.
        share: Fraction of the frames that are steps, independent of each other.

    Reference: Brook and Evans, An approach to the probability distribution of CUSUM
        run length, Biometrika 1972. The chain is cut where it returns to the start:
        frames per visit over ends per visit.
    """
    size = len(after_step) + 1  # the last one is the end
    step, other = (np.array(table) % size for table in (after_step, after_other))
    there = np.zeros(size)
    there[0] = 1.0
    frames = ends = 0.0
    while there.sum() > 1e-12 * ends:
        frames += there.sum()
        from_other = np.bincount(other, there[:-1] * (1 - share), size)
        there = from_other + np.bincount(step, there[:-1] * share, size)
        ends += there[-1]
        there[[0, -1]] = 0.0
    return float(frames / ends) if ends else math.inf


def parse_rule(text: str, false_rejects: float = FALSE_REJECTS) -> Rule:
    """argparse type: the rule that turns defective frames into an alarm.

    Args:
        text: `5`, five defective frames one after another, of any class; `3/7`, three
            of the last seven; `cusum:10000`, a sequential test with at least 10,000
            frames between false alarms on average, which is also the meaning of
            `cusum`.
        false_rejects: False reject rate of good frames, from `validate` (the upper end
            of the interval if none was rejected); above 0 and below 0.3. Only cusum
            depends on it.

    Raises:
        argparse.ArgumentTypeError: the text is not a rule.
    """
    match = re.fullmatch(
        r"([0-9]{1,12})|([0-9]{1,12})/([0-9]{1,12})|cusum(?::([0-9]{1,12}))?", text
    )
    if not match:
        raise argparse.ArgumentTypeError(
            "must be a number of defective frames in a row such as 5, a share of the "
            "last frames such as 3/7, or cusum:N with N frames between false alarms, "
            f"such as cusum:10000. Received: {text!r}."
        )
    straight, few, many, frames = (group and int(group) for group in match.groups())
    if straight is not None:
        return _straight(text, straight)
    if many is not None:
        return _share(text, few, many)
    return _cusum(text, FRAMES_BETWEEN if frames is None else frames, false_rejects)


def _straight(text, frames):
    if not 1 <= frames <= LONGEST_RUN:
        raise argparse.ArgumentTypeError(
            f"must be from 1 to {LONGEST_RUN} frames in a row. Received: {text!r}."
        )
    after_defect = (*range(1, frames), RAISED)
    return Rule(text, frames, frames, (0,) * frames, after_defect, *_good_row(frames))


def _good_row(frames):
    """The tables for an end after this many good frames in a row."""
    return (*range(1, frames), OVER), (0,) * frames


def _share(text, defects, frames):
    """`3/7`; a state is the pattern of defective frames among the last ones."""
    if not 1 <= defects <= frames <= LONGEST_RUN:
        raise argparse.ArgumentTypeError(
            "must be k/n with k from 1 to n: an alarm is raised when k of the last n "
            f"frames are defective, with n at most {LONGEST_RUN}. Received: {text!r}."
        )
    if sum(math.comb(frames - 1, ones) for ones in range(defects)) > MOST_STATES:
        raise argparse.ArgumentTypeError(
            "has too many patterns to compute how often it raises a false alarm. "
            f"Received: {text!r}. Use smaller numbers with about the same ratio, or "
            "cusum."
        )
    remembered = (1 << (frames - 1)) - 1
    states, after_good, after_defect = {0: 0}, [], []
    patterns = [0]
    for pattern in patterns:  # grows while it is read
        full = pattern.bit_count() + 1 == defects
        for bit, table in ((0, after_good), (1, after_defect)):
            if bit and full:
                table.append(RAISED)
                continue
            following = (pattern << 1 | bit) & remembered
            if following not in states:
                states[following] = len(states)
                patterns.append(following)
            table.append(states[following])
    tables = tuple(after_good), tuple(after_defect)
    return Rule(text, frames, defects, *tables, *_good_row(frames))


def _cusum(text, frames_between, false_rejects):
    """Bernoulli CUSUM of "rejected"; a state is the sum of the evidence.

    The evidence is the log likelihood ratio of "half of the frames are rejected"
    against `false_rejects`, in whole steps: a good frame takes STEPS away, a defective
    one adds `gain`, rounded down. The threshold is the lowest that guarantees the mean
    number of frames. The event ends by the reverse test, with the same mean number of
    frames before a false end while half of the frames are rejected.

    Reference: Reynolds and Stoumbos, A CUSUM chart for monitoring a proportion
        when inspecting continuously, Journal of Quality Technology 1999.
    """
    if not 10 <= frames_between <= 10**9:
        raise argparse.ArgumentTypeError(
            "must have 10 to 1000000000 frames between false alarms. Received: "
            f"{text!r}."
        )
    if not 0 < false_rejects < 0.3:
        raise argparse.ArgumentTypeError(
            "needs a false reject rate above 0 and below 0.3. Received: "
            f"{false_rejects}. Use a rule such as 3/7."
        )
    for_good = math.log((1 - false_rejects) / (1 - FAULT_REJECTS))
    for_defect = math.log(FAULT_REJECTS / false_rejects)
    gain = int(STEPS * for_defect / for_good)
    enough = math.ceil(STEPS * math.log(frames_between) / for_good)  # Lorden's bound

    def with_threshold(threshold):
        sums = range(threshold)
        return Rule(
            text,
            num_frames=math.ceil(threshold / gain),
            reach=threshold,
            after_good=tuple(max(0, value - STEPS) for value in sums),
            after_defect=_rising(threshold, gain, RAISED),
            end_after_good=(),
            end_after_other=(),
        )

    def ending(threshold):
        loss = math.ceil(STEPS * for_defect / for_good)
        return {
            "end_after_good": _rising(threshold, STEPS, OVER),
            "end_after_other": tuple(max(0, x - loss) for x in range(threshold)),
        }

    def keeps_on(threshold):
        rule = with_threshold(1)._replace(**ending(threshold))
        return rule.frames_between_false_ends()

    def promise(threshold):
        return with_threshold(threshold).frames_between_false_alarms(false_rejects)

    lowest, end = (
        1 + bisect_left(range(1, enough + 1), frames_between, key=key)
        for key in (promise, keeps_on)
    )
    return with_threshold(lowest)._replace(**ending(end))


def _rising(threshold, step, reached):
    """The next state of every sum below the threshold after a step up."""
    after = (value + step for value in range(threshold))
    return tuple(value if value < threshold else reached for value in after)
