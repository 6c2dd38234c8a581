// Buckets of fire times as rows of cells: an hour of ten minutes, or a day of hours, by the viewer's clock.

export interface Cell {
  at: string
  fires: number
  /** 0 for none, then 1 to 5 by share of the fullest. */
  heat: number
}

export interface Row {
  /** Where it begins: the first instant of its first bucket's hour or day. */
  at: string
  cells: (Cell | null)[]
}

const HOUR = 3_600_000

/**
 * A row for each hour or each day of a zone. Where the clock goes back an hour of the day comes twice, and its cell has both;
 * where it goes forward one is missing.
 */
export function rowsOf(from: string, stepSeconds: number, buckets: number[], row: 'hour' | 'day', zone: string): Row[] {
  const clock = wallClock(zone)
  const perRow = row === 'hour' ? 3_600 / stepSeconds : 24
  const rows = new Map<string | number, Row>()
  buckets.forEach((fires, index) => {
    const instant = Date.parse(from) + index * stepSeconds * 1_000
    const at = new Date(instant).toISOString()
    const { day, hour, minute } = clock(instant)
    const key = row === 'day' ? day : Math.floor((instant - minute * 60_000) / HOUR)
    const column = row === 'day' ? hour : Math.floor((minute * 60) / stepSeconds)
    let one = rows.get(key)
    if (!one) {
      one = { at, cells: Array(perRow).fill(null) }
      rows.set(key, one)
    }
    const twice = one.cells[column]
    one.cells[column] = twice ? { ...twice, fires: twice.fires + fires } : { at, fires, heat: 0 }
  })
  const cells = [...rows.values()].flatMap((one) => one.cells).filter((cell) => cell !== null)
  const most = Math.max(1, ...cells.map((cell) => cell.fires))
  for (const cell of cells) cell.heat = Math.ceil((cell.fires / most) * 5)
  return [...rows.values()]
}

function wallClock(zone: string) {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  })
  return (instant: number) => {
    const { year, month, day, hour, minute } = Object.fromEntries(
      format.formatToParts(instant).map(({ type, value }) => [type, value]),
    )
    return { day: `${year}-${month}-${day}`, hour: Number(hour), minute: Number(minute) }
  }
}
