import { clsx } from 'clsx'
import { ticksOf } from '@/format/ticks'
import { clockTime, dayAndTime, viewerZone } from '@/format/time'
import type { Axis } from './views'

const TICKS_MAX = 8

export interface Tick {
  /** From 0 to 1. */
  at: number
  label: string
}

/** The lines of the axis, and their labels: the day where a new one starts. */
export function ticksOn({ from, to }: Axis): Tick[] {
  return ticksOf(from, to, TICKS_MAX).at.map((millis) => {
    const instant = new Date(millis).toISOString()
    const time = clockTime(instant, viewerZone).slice(0, 5)
    const label = time === '00:00' ? dayAndTime(instant, viewerZone).replace(/, .*/, '') : time
    return { at: (millis - from) / (to - from), label }
  })
}

/** The labels; every second one on a narrow screen. */
export function AxisLabels({ ticks }: { ticks: Tick[] }) {
  return (
    <div className="relative h-4 overflow-hidden font-normal text-2xs text-muted tabular-nums">
      {ticks.map(({ at, label }, index) => (
        <span
          key={at}
          className={clsx('absolute top-0 whitespace-nowrap', index % 2 === 1 && 'max-sm:hidden')}
          style={{ left: `${at * 100}%`, transform: `translateX(${shift(at)})` }}
        >
          {label}
        </span>
      ))}
    </div>
  )
}

/** A label is centred on its line, unless it would be cut off. */
function shift(at: number): string {
  if (at < EDGE) return '0'
  return at > 1 - EDGE ? '-100%' : '-50%'
}

const EDGE = 0.05
