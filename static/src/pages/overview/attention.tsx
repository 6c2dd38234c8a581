import { Link } from '@tanstack/react-router'
import { clsx } from 'clsx'
import { CircleCheck } from 'lucide-react'
import type { AttentionKind, OverviewPartsFragment } from '@/api/generated'
import { Name } from '@/components/name'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { useStillRows } from '@/components/still'
import { Time } from '@/components/time'
import { count } from '@/format/number'

const KINDS: Record<AttentionKind, { word: string; className: string }> = {
  CLUSTER_PAUSED: { word: 'Cluster paused', className: 'bg-bad/10 text-bad' },
  RESTING: { word: 'Resting', className: 'bg-bad/10 text-bad' },
  LATE: { word: 'Late', className: 'bg-bad/10 text-bad' },
  STUCK: { word: 'Stuck', className: 'bg-bad/10 text-bad' },
  FAILED: { word: 'Failing', className: 'bg-bad/10 text-bad' },
  UNREADABLE: { word: 'Unreadable', className: 'bg-bad/10 text-bad' },
  SATURATED: { word: 'Saturated', className: 'bg-bad/10 text-bad' },
  PAUSED_BY_FAILURE: { word: 'Paused', className: 'bg-warn/10 text-warn' },
  RETRYING: { word: 'Retrying', className: 'bg-warn/10 text-warn' },
}

/** The problems, late and stuck jobs first. */
export function AttentionList({ overview }: { overview: OverviewPartsFragment }) {
  const { attention, attentionTotal, failingJobs } = overview
  const hidden = attentionTotal - attention.length
  const [lines, pointing] = useStillRows(grouped(attention), ({ one }) => `${one.kind} ${one.jobId}`)
  return (
    <Panel title="Needs attention" aside={attentionTotal > 0 && count(attentionTotal)} flush>
      {lines.length === 0 ? (
        <Empty icon={CircleCheck} title="No problems">
          No job is late, stuck, retrying or failing.
        </Empty>
      ) : (
        <ul className="max-h-96 divide-y overflow-y-auto" {...pointing}>
          {lines.map(({ one, more }) => (
            <li key={`${one.kind} ${one.jobId}`} className="flex items-start gap-3 px-4 py-2.5">
              <span
                className={clsx(
                  'mt-px w-20 shrink-0 rounded px-1.5 py-0.5 text-center font-medium text-2xs',
                  KINDS[one.kind].className,
                )}
              >
                {KINDS[one.kind].word}
              </span>
              <div className="min-w-0 flex-1">
                <AttentionSubject one={one} />
                <p className="line-clamp-2 break-words text-muted text-xs">
                  {one.message}
                  {more > 0 && ` (and ${more} more of this job)`}
                </p>
              </div>
              <span className="shrink-0 text-muted text-xs">
                <Time at={one.since} />
              </span>
            </li>
          ))}
          {hidden > 0 && (
            <li className="px-4 py-2.5 text-sm">
              And {count(hidden)} more
              {failingJobs > 0 && (
                <>
                  .{' '}
                  <Link to="/jobs" search={{ state: ['FAILING'] }} className="text-accent underline">
                    See all {count(failingJobs)} failing jobs
                  </Link>
                </>
              )}
            </li>
          )}
        </ul>
      )}
    </Panel>
  )
}

type AttentionItem = OverviewPartsFragment['attention'][number]

/** One line for each job and kind, the first with the number of the others. */
function grouped(attention: AttentionItem[]): { one: AttentionItem; more: number }[] {
  const lines = new Map<string, { one: AttentionItem; more: number }>()
  for (const one of attention) {
    const key = `${one.kind} ${one.jobId}`
    const line = lines.get(key)
    if (line) line.more += 1
    else lines.set(key, { one, more: 0 })
  }
  return [...lines.values()]
}

function AttentionSubject({ one }: { one: AttentionItem }) {
  const className = 'block truncate text-sm font-medium hover:underline'
  if (!one.jobId) return <span className="block truncate font-medium text-sm">The cluster</span>
  return one.executionId ? (
    <Link to="/executions/$executionId" params={{ executionId: one.executionId }} className={className}>
      <Name text={one.jobName ?? ''} />
    </Link>
  ) : (
    <Link to="/jobs/$jobId" params={{ jobId: one.jobId }} className={className}>
      <Name text={one.jobName ?? ''} />
    </Link>
  )
}
