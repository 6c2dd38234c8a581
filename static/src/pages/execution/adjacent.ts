// The executions before and after one, among those of its job, in the order of their fire times. The API lists the
// newest first, after an execution: the next one is found in a range of fire times that begins with it.

interface Listed {
  id: string
  fireTime: string
}

/** A range of the executions of one job, newest first; complete unless there are more than the list has. */
export interface Range {
  nodes: readonly Listed[]
  complete: boolean
}

/** Reads executions of the job. */
export interface Reader {
  /** The newest of those before an execution. */
  before: (id: string) => Promise<Listed | null>
  /** The newest from one instant to before another, by milliseconds. */
  range: (from: number, to: number) => Promise<Range>
}

export interface Adjacent {
  previous: string | null
  next: string | null
}

const SECOND = 1_000
/** Widens, or narrows, a range that had too few or too many. */
const FACTOR = 16
/** Most reads for one execution; a usual history needs one or two. */
const READS_MAX = 40

/** Finds both. `now` bounds the fire times that were taken. */
export async function adjacentTo(execution: Listed, now: number, reader: Reader): Promise<Adjacent> {
  const at = Date.parse(execution.fireTime)
  const previous = await reader.before(execution.id)
  // Fire times of a schedule have much the same distance.
  const distance = previous ? at - Date.parse(previous.fireTime) : 0
  const next = await nextOf(execution.id, at, Math.max(4 * distance, SECOND), now, reader)
  return { previous: previous?.id ?? null, next }
}

async function nextOf(id: string, at: number, span: number, now: number, reader: Reader): Promise<string | null> {
  let width = span
  // The widest range without a later execution, and the narrowest with more than a list holds.
  let empty = 0
  let full = Number.POSITIVE_INFINITY
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    const { nodes, complete } = await reader.range(at, at + width)
    // A list with the execution in it has everything after it, too.
    const place = nodes.findIndex((one) => one.id === id)
    if (place > 0) return nodes[place - 1]?.id ?? null
    if (place < 0 && !complete) full = width
    else if (at + width > now) return null
    else empty = width
    // Even one millisecond has more: the oldest of the list will do.
    if (full - empty <= 1) return nodes.at(-1)?.id ?? null
    width = between(empty, full)
  }
  return null
}

function between(empty: number, full: number): number {
  if (full === Number.POSITIVE_INFINITY) return empty * FACTOR
  const middle = empty === 0 ? full / FACTOR : Math.sqrt(empty * full)
  return Math.min(Math.max(Math.floor(middle), empty + 1), full - 1)
}
