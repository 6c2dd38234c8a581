// Buckets of fire times as rows of cells: an hour of ten minutes, or a day of hours.

export interface Cell {
  at: string
  fires: number
  /** 0 for none, then 1 to 5 by share of the fullest. */
  heat: number
}

export interface Row {
  label: string
  cells: (Cell | null)[]
}

/** Rows of `perRow` buckets, in the viewer's local time: a row begins at a whole hour or day. */
export function rowsOf(
  from: string,
  stepSeconds: number,
  buckets: number[],
  perRow: number,
  label: (at: Date) => string,
): Row[] {
  const most = Math.max(1, ...buckets)
  const step = stepSeconds * 1_000
  const rows: Row[] = []
  const first = Date.parse(from)
  const span = step * perRow
  const offset = new Date(first).getTimezoneOffset() * 60_000
  // The start of the row that the first bucket falls into.
  const begin = Math.floor((first - offset) / span) * span + offset
  const lead = Math.round((first - begin) / step)
  const count = lead + buckets.length
  for (let start = 0; start < count; start += perRow) {
    const cells = [...Array(perRow).keys()].map((column) => {
      const fires = buckets[start + column - lead]
      if (fires === undefined) return null
      const at = new Date(first + (start + column - lead) * step).toISOString()
      return { at, fires, heat: fires === 0 ? 0 : Math.ceil((fires / most) * 5) }
    })
    rows.push({ label: label(new Date(begin + start * step)), cells })
  }
  return rows
}
