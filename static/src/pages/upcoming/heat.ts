// Fire times of each minute as rows of cells: an hour of ten minutes, or a day of hours, by the viewer's clock.

export interface Cell {
  /** The first planned minute. */
  at: string
  /** The end. */
  to: string
  /** Number of planned minutes: fewer in the first and the last cell. */
  minutes: number
  fires: number
  /** 0 for none, then up to 5 on a logarithmic scale: frequent jobs do not hide rare ones. */
  heat: number
}

export interface Row {
  /** The start: the first instant of the first cell. */
  at: string
  cells: (Cell | null)[]
}

/**
 * The fire times that all cells have in common, such as a probe each second, and the largest number of a cell in
 * addition to them.
 */
export interface Scale {
  common: number
  most: number
}

/** The range of numbers with this heat, both ends included; in addition to the common fire times, if there are any. */
export interface Level {
  heat: number
  from: number
  to: number
}

export const HEAT_MAX = 5

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** No zone changes its clock within this time. */
const QUARTER = 15 * MINUTE

/**
 * A row for each hour or each day of a zone, from the fire times of each minute. Where the clock goes back, an hour of
 * the day comes twice, and its cell has both; where it goes forward, an hour is missing.
 */
export function rowsOf(from: string, minutes: number[], row: 'hour' | 'day', cellMinutes: number, zone: string): Row[] {
  const clock = wallClock(zone)
  const start = Date.parse(from)
  const rows = new Map<string | number, Row>()
  minutes.forEach((fires, index) => {
    const instant = start + index * MINUTE
    const { day, hour, minute } = clock(instant)
    const key = row === 'day' ? day : Math.floor((instant - minute * MINUTE) / HOUR)
    const column = row === 'day' ? hour : Math.floor(minute / cellMinutes)
    const at = new Date(instant).toISOString()
    const one = rows.get(key) ?? { at, cells: Array(row === 'day' ? 24 : 60 / cellMinutes).fill(null) }
    const cell = one.cells[column] ?? { at, to: at, minutes: 0, fires: 0, heat: 0 }
    cell.fires += fires
    cell.minutes += 1
    cell.to = new Date(instant + MINUTE).toISOString()
    one.cells[column] = cell
    rows.set(key, one)
  })
  const scale = scaleOf([...rows.values()])
  for (const cell of cellsOf([...rows.values()])) cell.heat = heatOf(cell, scale)
  return [...rows.values()]
}

const cellsOf = (rows: Row[]) => rows.flatMap((row) => row.cells).filter((cell) => cell !== null)

/** The heat of a cell, compared with all others. */
export function scaleOf(rows: Row[]): Scale {
  const cells = cellsOf(rows)
  // The first and the last one are not complete.
  const inner = cells.length > 2 ? cells.slice(1, -1) : cells
  const common = inner.length === 0 ? 0 : Math.min(...inner.map(({ fires, minutes }) => fires / minutes))
  return { common, most: Math.max(0, ...cells.map((cell) => besides(cell, common))) }
}

/** The fire times of a cell without the common ones, which count by the minute. */
function besides({ fires, minutes }: Cell, common: number): number {
  return Math.max(0, Math.round(fires - common * minutes))
}

function heatOf(cell: Cell, { common, most }: Scale): number {
  if (cell.fires === 0) return 0
  return stepOf(besides(cell, common), most, lowest(common)) || 1
}

/** The common fire times have a heat of their own. */
const lowest = (common: number) => (common > 0 ? 2 : 1)

function stepOf(fires: number, most: number, first: number): number {
  const steps = HEAT_MAX - first + 1
  return fires === 0 ? 0 : first - 1 + Math.max(1, Math.ceil((steps * Math.log1p(fires)) / Math.log1p(most)))
}

/** The meaning of each heat with a number in its range. */
export function levelsOf({ common, most }: Scale): Level[] {
  const first = lowest(common)
  const levels: Level[] = []
  let from = 1
  for (let heat = first; heat <= HEAT_MAX; heat += 1) {
    const to = heat === HEAT_MAX ? most : lastOf(heat, most, first)
    if (to >= from) levels.push({ heat, from, to })
    from = Math.max(from, to + 1)
  }
  return levels
}

/** The largest number of that heat, found without rounding errors. */
function lastOf(heat: number, most: number, first: number): number {
  const near = Math.round(Math.expm1(((heat - first + 1) * Math.log1p(most)) / (HEAT_MAX - first + 1)))
  return [near + 1, near, near - 1].find((fires) => fires > 0 && stepOf(fires, most, first) <= heat) ?? 0
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
  const quarters = new Map<number, { day: string; hour: number; minute: number }>()
  return (instant: number) => {
    const quarter = Math.floor(instant / QUARTER) * QUARTER
    let wall = quarters.get(quarter)
    if (!wall) {
      const { year, month, day, hour, minute } = Object.fromEntries(
        format.formatToParts(quarter).map(({ type, value }) => [type, value]),
      )
      wall = { day: `${year}-${month}-${day}`, hour: Number(hour), minute: Number(minute) }
      quarters.set(quarter, wall)
    }
    return { ...wall, minute: wall.minute + Math.floor((instant - quarter) / MINUTE) }
  }
}
