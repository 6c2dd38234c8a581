import { Link } from '@tanstack/react-router'
import { ExecutionJobDocument, type ExecutionQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { type Fact, Facts } from '@/components/facts'
import { Name } from '@/components/name'
import { enumLabel } from '@/components/status'
import { CopyButton } from '@/components/text-block'
import { Time } from '@/components/time'
import { inUnits } from '@/format/duration'
import { count } from '@/format/number'
import { zoneOf } from '@/format/schedule'
import { onTheirClock, sameClock } from '@/format/time'

type Execution = NonNullable<ExecutionQuery['execution']>

/** All values of the row, and the policies that applied to it. */
export function ExecutionFacts({ execution }: { execution: Execution }) {
  const { data } = useApi(ExecutionJobDocument, { id: execution.jobId })
  const job = data?.job
  const zone = job ? zoneOf(job) : undefined
  const facts: Fact[] = [
    ['Execution', <Id key="id" id={execution.id} />],
    [
      'Job',
      <span key="job" className="inline-flex max-w-full items-center gap-2">
        <Link
          to="/jobs/$jobId"
          params={{ jobId: execution.jobId }}
          className="min-w-0 truncate text-accent hover:underline"
        >
          <Name text={execution.jobName ?? execution.jobId} />
        </Link>
        <Id id={execution.jobId} />
      </span>,
    ],
    ['Job version', execution.jobVersion],
    ['Kind', enumLabel(execution.kind)],
    ['Fire time', <FireTime key="fire" at={execution.fireTime} zone={zone} />],
    ['Through', execution.throughFireTime && <FireTime key="through" at={execution.throughFireTime} zone={zone} />],
    ['Fire times', execution.occurrences && count(execution.occurrences)],
    ['Taken', <Time key="taken" at={execution.createdAt} as="exact" />],
    [
      'Node',
      execution.nodeId && (
        <Link
          key="node"
          to="/executions"
          search={{ node: execution.nodeId }}
          className="text-accent hover:underline"
          title="See the executions of this node"
        >
          {execution.nodeName ?? execution.nodeId}
        </Link>
      ),
    ],
    [
      'Failures',
      execution.failures > 0 && job
        ? `${execution.failures} of ${job.retry.maxAttempts} allowed`
        : execution.failures || null,
    ],
  ]
  const policies: Fact[] = job
    ? [
        ['Overlap policy', enumLabel(job.overlapPolicy)],
        ['Misfire policy', `${enumLabel(job.misfirePolicy)} after a grace of ${inUnits(job.misfireGraceSeconds)}`],
        ['Timeout', job.timeoutSeconds && inUnits(job.timeoutSeconds)],
      ]
    : []
  return <Facts facts={[...facts, ...policies]} />
}

/** As all times of the page, and on the job's clock if that one differs. */
function FireTime({ at, zone }: { at: string; zone: string | undefined }) {
  return (
    <>
      <Time at={at} as="exact" />
      {zone && !sameClock(at, zone) && ` · ${onTheirClock(at, zone)}`}
    </>
  )
}

function Id({ id }: { id: string }) {
  return (
    <span className="-my-1.5 inline-flex items-center gap-1 font-mono text-xs">
      {id}
      <CopyButton text={id} label="Copy the id" />
    </span>
  )
}
