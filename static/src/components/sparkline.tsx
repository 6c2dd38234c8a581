// The last runs of a job at a glance: one bar each, oldest at the left, as high as its duration; a failed one has the
// full height.

import { enumLabel, statusColour } from './status'

export interface Run {
  id: string
  status: string
  durationMillis: number | null
}

const BAR = 4
const GAP = 2
const HEIGHT = 22
const LOWEST = 3

/** Bars for `runs`, given newest first. */
export function Sparkline({ runs, places = 20 }: { runs: Run[]; places?: number }) {
  if (runs.length === 0) return <span className="text-faint text-xs">No runs yet</span>
  const shown = runs.slice(0, places).toReversed()
  const heights = barHeights(shown)
  const empty = places - shown.length
  return (
    <svg
      role="img"
      aria-label={describeRuns(shown)}
      viewBox={`0 0 ${places * (BAR + GAP) - GAP} ${HEIGHT}`}
      width={places * (BAR + GAP) - GAP}
      height={HEIGHT}
      className="painted opacity-85"
    >
      {shown.map((run, index) => (
        <rect
          key={run.id}
          x={(empty + index) * (BAR + GAP)}
          y={HEIGHT - (heights[index] ?? LOWEST)}
          width={BAR}
          height={heights[index] ?? LOWEST}
          rx={1}
          fill={statusColour(run.status)}
          className={run.status === 'RUNNING' ? 'animate-pulse' : undefined}
        />
      ))}
    </svg>
  )
}

/** Heights on a logarithmic scale: a run of ten times the duration is visible, and does not flatten the others. */
export function barHeights(runs: Run[]): number[] {
  const logs = runs.map((run) => Math.log1p(run.durationMillis ?? 0))
  const most = Math.max(...logs)
  return runs.map((run, index) => {
    if (run.status === 'SKIPPED') return LOWEST
    // A run that fails fast would be the smallest bar.
    if (run.status === 'FAILED' || run.status === 'LOST') return HEIGHT
    if (run.durationMillis === null || most === 0) return HEIGHT / 2
    return LOWEST + (HEIGHT - LOWEST) * ((logs[index] ?? 0) / most)
  })
}

/** "Last 20 runs: 18 success, 2 failed". */
export function describeRuns(runs: Run[]): string {
  const counts = new Map<string, number>()
  for (const run of runs) counts.set(run.status, (counts.get(run.status) ?? 0) + 1)
  const parts = [...counts].map(([status, count]) => `${count} ${enumLabel(status).toLowerCase()}`)
  return `Last ${runs.length === 1 ? 'run' : `${runs.length} runs`}: ${parts.join(', ')}`
}
