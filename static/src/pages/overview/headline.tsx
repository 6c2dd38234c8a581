import { clsx } from 'clsx'
import { CircleAlert, CircleCheck, TriangleAlert } from 'lucide-react'
import type { OverviewPartsFragment } from '@/api/generated'
import { healthOf, isFull } from '@/cluster/overview'
import { count, counted } from '@/format/number'

const LOOKS = {
  good: { icon: CircleCheck, className: 'border-good/30 bg-good/8 text-good' },
  warn: { icon: TriangleAlert, className: 'border-warn/30 bg-warn/8 text-warn' },
  bad: { icon: CircleAlert, className: 'border-bad/30 bg-bad/8 text-bad' },
}

/** The state of the cluster in a sentence. */
export function Headline({ overview }: { overview: OverviewPartsFragment }) {
  const { tone, title } = healthOf(overview)
  const { icon: Icon, className } = LOOKS[tone]
  return (
    <div
      role="status"
      aria-label="All in all"
      className={clsx('flex items-center gap-3 rounded-lg border px-4 py-3', className)}
    >
      <Icon size={22} aria-hidden className="shrink-0" />
      <div className="min-w-0">
        <p className="font-semibold text-lg">{title}</p>
        <p className="text-ink text-sm">{headlineText(overview)}</p>
      </div>
    </div>
  )
}

function headlineText({ cluster, dueNow }: OverviewPartsFragment): string {
  const { activeNodes, drainingNodes, activeJobs, pausedJobs, endedJobs } = cluster
  const nodes = counted(activeNodes, 'node') + (drainingNodes > 0 ? ` (and ${drainingNodes} draining)` : '')
  const others = [
    [pausedJobs, 'paused'],
    [endedJobs, 'ended'],
  ] as const
  const jobs = [counted(activeJobs, 'active job')]
    .concat(others.filter(([number]) => number > 0).map(([number, word]) => `${count(number)} ${word}`))
    .join(', ')
  const why = isFull(cluster) ? ' for a free slot' : ''
  const waiting = dueNow > 0 ? `${counted(dueNow, 'trigger')} due now and waiting${why}.` : 'Nothing due is waiting.'
  return `${nodes} for ${jobs}. ${waiting}`
}
