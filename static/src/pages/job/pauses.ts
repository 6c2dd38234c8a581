// The stretches in which a job was paused, from its versions. Pure.

export interface Change {
  change: string
  changedAt: string
}

/** From when, and until when; null while it goes on. */
export interface Pause {
  from: string
  until: string | null
}

/** Of versions newest first; an edit in between changes nothing. */
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
