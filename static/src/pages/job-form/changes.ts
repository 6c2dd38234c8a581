// The effect of an edit of the schedule on the next fire times.

export interface FireTimeChanges {
  appear: string[]
  disappear: string[]
  /** Both lists are longer: there may be further changes. */
  open: boolean
}

/**
 * The two lists are not of exactly the same moment; fire times that passed in between are left out, in milliseconds.
 */
const TOO_CLOSE = 1_000

/** Compares two lists at `now` as far as both reach; each has the next fire times in order, at most `asked`. */
export function changesOf(before: string[], after: string[], asked: number, now: number): FireTimeChanges {
  const horizon = (times: string[]) =>
    times.length < asked ? Number.POSITIVE_INFINITY : Date.parse(times.at(-1) ?? '')
  const until = Math.min(horizon(before), horizon(after))
  const within = (times: string[]) =>
    times.filter((time) => Date.parse(time) > now + TOO_CLOSE && Date.parse(time) <= until)
  const [old, fresh] = [new Set(within(before)), new Set(within(after))]
  return {
    open: Number.isFinite(until),
    appear: [...fresh].filter((time) => !old.has(time)),
    disappear: [...old].filter((time) => !fresh.has(time)),
  }
}
