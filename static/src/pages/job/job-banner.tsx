// The banner of a job's page: a notice for each condition that keeps the job from firing, or from success.

import { Link } from '@tanstack/react-router'
import { CalendarOff, CircleAlert, CircleCheck, CircleSlash, Hourglass, Pause } from 'lucide-react'
import type { ReactNode } from 'react'
import type { JobQuery, OverviewPartsFragment } from '@/api/generated'
import { isFull, useOverview } from '@/cluster/overview'
import { Name } from '@/components/name'
import { Time } from '@/components/time'
import { afterExclusion, isExcludedNow } from '@/format/job'
import { count } from '@/format/number'
import { useNow } from '@/lib/clock'

type Job = NonNullable<JobQuery['job']>

/** Deleted, paused, failing, closed, waiting, ended: a notice for each true condition. */
export function JobBanner({ job }: { job: Job }) {
  if (job.status === 'DELETED') {
    return (
      <Notice icon={CircleSlash} title="Deleted">
        . <Muted>It is gone for good; its log stays.</Muted>
      </Notice>
    )
  }
  return (
    <>
      {job.failing && <FailingNotice failing={job.failing} />}
      {job.status === 'PAUSED' && <PausedNotice job={job} />}
      {job.excludedBy && <ExclusionNotice exclusion={job.excludedBy} />}
      {job.state === 'WAITING' && !job.excludedBy && <WaitingNotice job={job} />}
      {job.hasEnded && (
        <Notice icon={CircleCheck} title="Ended">
          .{' '}
          <Muted>
            Its schedule has no fire time left. Run now still works; an edit of the schedule starts it again.
          </Muted>
        </Notice>
      )}
    </>
  )
}

function Notice({
  icon: Icon,
  title,
  bad,
  children,
}: {
  icon: typeof Pause
  title: ReactNode
  bad?: boolean
  children: ReactNode
}) {
  const colour = bad ? 'border-bad/30 bg-bad/8' : 'border-warn/30 bg-warn/8'
  return (
    <div className={`flex items-start gap-3 rounded-lg border px-4 py-3 ${colour}`}>
      <Icon size={18} aria-hidden className={`mt-0.5 shrink-0 ${bad ? 'text-bad' : 'text-warn'}`} />
      <p className="min-w-0 text-sm [overflow-wrap:anywhere]">
        <strong className="font-semibold">{title}</strong>
        {children}
      </p>
    </div>
  )
}

const Muted = ({ children }: { children: ReactNode }) => <span className="text-muted">{children}</span>

function FailingNotice({ failing: { executionId, since, message } }: { failing: NonNullable<Job['failing']> }) {
  return (
    <Notice
      icon={CircleAlert}
      bad
      title={
        <>
          Failing since <Time at={since} as="short" />
        </>
      }
    >
      : <Name text={message} />{' '}
      <Link to="/executions/$executionId" params={{ executionId }} className="text-accent underline">
        See the execution
      </Link>
      . <Muted>It needs attention until an execution succeeds.</Muted>
    </Notice>
  )
}

function PausedNotice({ job }: { job: Job }) {
  return (
    <Notice icon={Pause} title="Paused">
      {job.pauseReason && (
        <>
          : <PauseReason text={job.pauseReason} />
        </>
      )}
      .{' '}
      <Muted>
        It does not fire until it is resumed, and buffered executions and further attempts wait until then.
        {job.missedFireTime && (
          <>
            {' '}
            Its time, <Time at={job.missedFireTime} as="exact" />, has passed: it runs only if you resume and run it.
          </>
        )}
      </Muted>
    </Notice>
  )
}

/** Why nothing starts at a fire time. */
function WaitingNotice({ job }: { job: Job }) {
  const { data } = useOverview()
  return (
    <Notice icon={Hourglass} title="Waiting">
      : <Muted>{whyWaiting(job, data?.overview.cluster)}</Muted>
    </Notice>
  )
}

function whyWaiting(job: Job, cluster: OverviewPartsFragment['cluster'] | undefined): string {
  if (cluster?.pause) return 'a fire time has come, and the cluster is paused: nothing starts until it is resumed.'
  if (cluster?.activeNodes === 0) return 'a fire time has come, and no node takes work.'
  if (job.inFlight > 0 && job.overlapPolicy !== 'ALLOW')
    return 'its next fire time waits behind the execution that runs.'
  if (cluster && isFull(cluster)) return `a fire time has come, and all ${count(cluster.slots)} slots are taken.`
  return 'a fire time has come, and no node has taken it yet.'
}

function ExclusionNotice({ exclusion }: { exclusion: NonNullable<Job['excludedBy']> }) {
  const now = useNow()
  const { kind, name, from, until } = exclusion
  return (
    <Notice
      icon={CalendarOff}
      title={
        <>
          Closed
          {from && !isExcludedNow(exclusion, now) && (
            <>
              {' '}
              from <Time at={from} as="short" />
            </>
          )}
          {until && (
            <>
              {' '}
              until <Time at={until} as="short" />
            </>
          )}
        </>
      }
    >
      : {kind === 'CALENDAR' && 'calendar '}
      <Name text={name} />. <Muted>{afterExclusion(exclusion)}</Muted>
    </Notice>
  )
}

/** A reason with the id of an execution, as of a failure that pauses its job, links to it. */
function PauseReason({ text }: { text: string }) {
  const [before = '', id] = text.split(EXECUTION_ID)
  if (!id) return text
  return (
    <>
      {before}
      <Link to="/executions/$executionId" params={{ executionId: id }} className="text-accent underline">
        {id}
      </Link>
      {text.slice(before.length + id.length)}
    </>
  )
}

const EXECUTION_ID = /\b([\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12})\b/
