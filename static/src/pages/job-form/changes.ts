// What an edit of the schedule does to the fire times to come.

export interface FireTimeChanges {
  appear: string[]
  disappear: string[]
}

/** Compares two lists as far as both reach; each names the next ones in order. */
export function changesOf(before: string[], after: string[], asked: number): FireTimeChanges {
  const horizon = (times: string[]) =>
    times.length < asked ? Number.POSITIVE_INFINITY : Date.parse(times.at(-1) ?? '')
  const until = Math.min(horizon(before), horizon(after))
  const within = (times: string[]) => times.filter((time) => Date.parse(time) <= until)
  const [old, fresh] = [new Set(within(before)), new Set(within(after))]
  return {
    appear: [...fresh].filter((time) => !old.has(time)),
    disappear: [...old].filter((time) => !fresh.has(time)),
  }
}
