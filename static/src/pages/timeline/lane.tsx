// The marks of a job. There are a thousand on the screen, so each is a plain link; the page listens to all of them.

import { clsx } from 'clsx'
import { useNow } from '@/lib/clock'
import type { Closed } from './closed'
import { isFailure, type Mark, summary } from './marks'

/** Height and style by outcome: a failure is the highest, since colour must not be the only sign. */
const LOOKS: Record<string, string> = {
  SUCCESS: 'h-3 bg-good',
  FAILED: 'h-6 bg-bad',
  LOST: 'h-6 bg-lost',
  RUNNING: 'h-3 bg-busy animate-pulse',
  RETRYING: 'h-4.5 bg-warn',
  CANCELLED: 'h-3 border-2 border-faint',
  SKIPPED: 'h-1 bg-faint',
}

/** Hatched, since colour must not be the only sign. */
const CLOSED = 'hatched text-lost/40'

interface LaneProps {
  name: string
  marks: Mark[]
  /** Lines behind the marks, from 0 to 1. */
  ticks: number[]
  /** Periods without starts by schedule. */
  closed: Closed[]
  /** The path before the id of an execution. */
  path: string
  /** Cells of equal width with a gap between them. */
  apart?: boolean
}

/**
 * A row of marks, oldest first. One stop of the Tab key: the last failure, else the newest mark; arrow keys move on
 * from there.
 */
export function Lane({ name, marks, ticks, closed, path, apart }: LaneProps) {
  const sorted = marks.toSorted((a, b) => a.from - b.from)
  const stop = sorted.findLast((mark) => mark.failures > 0) ?? sorted.at(-1)
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for a form
    <div role="group" aria-label={`Runs of ${name}: ${summary(marks)}`} className="relative h-6 overflow-hidden">
      {closed.map(({ from, to, label }) => (
        <span
          key={`${from} ${label}`}
          role="img"
          aria-label={label}
          title={label}
          className={clsx('painted absolute inset-y-0 min-w-0.5', CLOSED)}
          style={{ left: percent(from), width: percent(to - from) }}
        />
      ))}
      {ticks.map((tick) => (
        <span key={tick} className="absolute inset-y-0 w-px bg-line" style={{ left: percent(tick) }} aria-hidden />
      ))}
      {sorted.map((mark) => (
        // biome-ignore lint/a11y/useAnchorContent: its label says what it is
        <a
          key={mark.id}
          href={path + mark.id}
          data-mark={mark.id}
          data-status={mark.status}
          aria-label={mark.label}
          tabIndex={mark === stop ? 0 : -1}
          className={clsx(
            'painted absolute bottom-0 min-w-1 rounded-xs outline-offset-0 hover:brightness-125 focus-visible:z-20',
            LOOKS[mark.status] ?? LOOKS.SKIPPED,
            isFailure(mark.status) ? 'z-10' : mark.several && 'opacity-60',
          )}
          style={{
            left: `min(${percent(mark.from)}, calc(100% - 4px))`,
            width: apart ? `calc(${percent(mark.to - mark.from)} - 2px)` : percent(mark.to - mark.from),
          }}
        />
      ))}
    </div>
  )
}

const percent = (part: number) => `${part * 100}%`

/** A lane with a running execution: it grows. */
export function LiveLane({ marksAt, ...rest }: Omit<LaneProps, 'marks'> & { marksAt: (now: number) => Mark[] }) {
  return <Lane {...rest} marks={marksAt(useNow())} />
}

const MEANINGS = [
  ['SUCCESS', 'Success'],
  ['FAILED', 'Failed'],
  ['LOST', 'Lost'],
  ['RUNNING', 'Running'],
  ['RETRYING', 'Retrying'],
  ['CANCELLED', 'Cancelled'],
  ['SKIPPED', 'Skipped'],
] as const

/** The meaning of each mark. */
export function Legend({ closed }: { closed: boolean }) {
  return (
    <ul className="flex flex-wrap items-end gap-x-4 gap-y-1 text-muted text-xs">
      {MEANINGS.map(([status, word]) => (
        <li key={status} className="flex items-end gap-1.5">
          <span className={clsx('painted mb-0.5 w-2 rounded-xs', LEGEND[status])} aria-hidden />
          {word}
        </li>
      ))}
      {closed && (
        <li className="flex items-end gap-1.5">
          <span className={clsx('painted mb-0.5 h-3 w-4', CLOSED)} aria-hidden />
          Blackout
        </li>
      )}
    </ul>
  )
}

/** The meaning of the marks in a line of text. */
const LEGEND: Record<string, string> = {
  SUCCESS: 'h-2 bg-good',
  FAILED: 'h-3.5 bg-bad',
  LOST: 'h-3.5 bg-lost',
  RUNNING: 'h-2 bg-busy',
  RETRYING: 'h-3 bg-warn',
  CANCELLED: 'h-2 border-2 border-faint',
  SKIPPED: 'h-1 bg-faint',
}
