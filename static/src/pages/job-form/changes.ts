// What an edit of the schedule does to the fire times to come.

export interface FireTimeChanges {
  appear: string[]
  disappear: string[]
  /** Both lists went on: there may be more than these. */
  open: boolean
}

/** The two lists were not made at quite the same moment; what one of them may have seen pass is left out, in milliseconds. */
const TOO_CLOSE = 1_000

/** Compares two lists of `now` as far as both reach; each names the next ones in order, `asked` at most. */
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
