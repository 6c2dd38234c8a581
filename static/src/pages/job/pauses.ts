// The pauses of a job, from its versions. Pure.

export interface Change {
  change: string
  changedAt: string
}

/** Start and end; null for a pause in force. */
export interface Pause {
  from: string
  until: string | null
}

/** From versions, newest first; an edit during a pause changes nothing. */
export function pausesOf(versions: Change[]): Pause[] {
  const pauses: Pause[] = []
  for (const { change, changedAt } of versions.toReversed()) {
    const last = pauses.at(-1)
    const open = last !== undefined && last.until === null
    if (change === 'PAUSED' && !open) pauses.push({ from: changedAt, until: null })
    if ((change === 'RESUMED' || change === 'DELETED') && open) last.until = changedAt
  }
  return pauses
}
