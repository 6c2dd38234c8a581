import { clsx } from 'clsx'
import { type KeyboardEvent, useState } from 'react'
import { count } from '@/format/number'
import { clockTime, dayAndTime, viewerZone } from '@/format/time'
import { type Cell, levelsOf, type Row, type Scale, scaleOf } from './heat'
import { SPANS, type Span, type Stretch } from './spans'

const HEAT = ['bg-hover', 'bg-accent/15', 'bg-accent/30', 'bg-accent/50', 'bg-accent/70', 'bg-accent']

interface HeatMapProps {
  rows: Row[]
  span: Span
  chosen: Stretch | null
  onChoose: (stretch: Stretch) => void
}

/**
 * A table of cells: each has its time and number as a hint and for a screen reader, and links to its jobs. One stop of
 * the Tab key; arrow keys move from cell to cell.
 */
export function HeatMap({ rows, span, chosen, onChoose }: HeatMapProps) {
  const label = span === 'day' ? hourLabel : dayLabel
  const cells = rows.flatMap((row) => row.cells).filter((cell) => cell !== null && cell.fires > 0)
  const [visited, setVisited] = useState('')
  const stop = (cells.find((cell) => cell?.at === visited) ?? cells[0])?.at
  return (
    <>
      <table className="w-full table-fixed border-separate border-spacing-0.5 text-xs" onKeyDown={moveFocus}>
        <caption className="sr-only">Fire times, a row for each {SPANS[span].row}</caption>
        <thead>
          <tr className="text-faint tabular-nums">
            <td className="w-24" />
            {SPANS[span].heads.map((head, column) => (
              <th
                key={head}
                scope="col"
                className={clsx('text-left font-normal', column % 3 && span === 'week' && 'max-sm:sr-only')}
              >
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.at}>
              <th scope="row" className="pr-3 text-right font-normal text-muted tabular-nums whitespace-nowrap">
                {label(row.at)}
              </th>
              {row.cells.map((cell, column) => (
                <td
                  // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
                  key={column}
                  className={clsx('painted h-5 rounded-sm p-0', cell && HEAT[cell.heat])}
                >
                  {cell && cell.fires > 0 && (
                    <button
                      type="button"
                      data-cell
                      title={cellLabel(cell)}
                      aria-label={cellLabel(cell)}
                      aria-pressed={cell.at === chosen?.from && cell.to === chosen.to}
                      tabIndex={cell.at === stop ? 0 : -1}
                      onFocus={() => setVisited(cell.at)}
                      onClick={() => onChoose({ from: cell.at, to: cell.to })}
                      className="block h-5 w-full rounded-sm hover:outline-2 hover:outline-accent aria-pressed:outline-2 aria-pressed:outline-ink"
                    />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <Legend scale={scaleOf(rows)} cellMinutes={SPANS[span].cellMinutes} />
    </>
  )
}

function Legend({ scale, cellMinutes }: { scale: Scale; cellMinutes: number }) {
  const common = Math.round(scale.common * cellMinutes)
  const more = common > 0 ? '+' : ''
  const ranges = levelsOf(scale).map(({ heat, from, to }) => ({
    heat,
    words: `${more}${from === to ? count(from) : `${count(from)}–${count(to)}`}`,
  }))
  const ground = common > 0 ? [{ heat: 1, words: `${count(common)}, as in each cell` }] : [{ heat: 0, words: '0' }]
  return (
    <p className="mt-3 flex flex-wrap items-center gap-x-4 gap-y-1 text-muted text-xs">
      <span>Fire times in a cell:</span>
      {[...ground, ...ranges].map(({ heat, words }) => (
        <span key={heat} className="flex items-center gap-1.5">
          <span className={clsx('painted size-3 rounded-xs', HEAT[heat])} aria-hidden />
          {words}
        </span>
      ))}
    </p>
  )
}

const cellLabel = (cell: Cell) => `${dayAndTime(cell.at, viewerZone)} to ${until(cell)}: ${count(cell.fires)}`
const until = ({ to }: Cell) => clockTime(to, viewerZone).slice(0, 5)

// "24 Nov, 10:20" stands for the hour of that time.
const hourLabel = (at: string) => dayAndTime(at, viewerZone).replace(/\d\d$/, '00')
const dayLabel = (at: string) => dayAndTime(at, viewerZone).replace(/, .*/, '')

/** Left and right to the next cell with fire times, up and down to the nearest one in the next row. */
function moveFocus(event: KeyboardEvent<HTMLTableElement>) {
  const here = (event.target as HTMLElement).closest('td')
  if (!here || !event.key.startsWith('Arrow')) return
  event.preventDefault()
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-cell]')]
  const index = all.indexOf(event.target as HTMLElement)
  if (event.key === 'ArrowLeft') return all[index - 1]?.focus()
  if (event.key === 'ArrowRight') return all[index + 1]?.focus()
  const step = event.key === 'ArrowUp' ? 'previousElementSibling' : 'nextElementSibling'
  for (let row = here.parentElement?.[step]; row; row = row[step]) {
    const buttons = [...row.querySelectorAll<HTMLElement>('[data-cell]')]
    const distance = (button: HTMLElement) => Math.abs((button.closest('td')?.cellIndex ?? 0) - here.cellIndex)
    const [nearest] = buttons.toSorted((a, b) => distance(a) - distance(b))
    if (nearest) return nearest.focus()
  }
}
