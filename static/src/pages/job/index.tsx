// One job: its state, next fire times, last executions and definition.

import { getRouteApi, Link } from '@tanstack/react-router'
import { Copy, FileQuestion, Pause, Pencil, Play, Zap } from 'lucide-react'
import { useMemo } from 'react'
import { InNamespace } from '@/access/me'
import {
  ExclusionsDocument,
  JobDocument,
  JobExecutionsDocument,
  type JobQuery,
  JobVersionsDocument,
} from '@/api/generated'
import { usePollInterval } from '@/api/live'
import { useApi } from '@/api/queries'
import { useRefreshOnEvents } from '@/api/refresh'
import { blackoutsOf } from '@/blackouts/concerning'
import { JobMenu } from '@/commands/job-menu'
import { useJobCommands } from '@/commands/jobs'
import { CommandButton, CommandLink } from '@/commands/offered'
import { buttonClass } from '@/components/button'
import { Name } from '@/components/name'
import { Missing, Page, Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { StatusBadge } from '@/components/status'
import { UpLink } from '@/components/up-link'
import { badgesOf } from '@/format/job'
import { counted } from '@/format/number'
import { scheduleWords } from '@/format/schedule'
import { describeTarget } from '@/format/target'
import { NamespaceLabel, NamespaceLabels } from '@/namespaces/label'
import { JobAudit } from './audit'
import { Backfills } from './backfills'
import { Blackouts } from './blackouts'
import { DurationChart, LatenessChart } from './charts'
import { Definition } from './definition'
import { ExecutionTable } from './execution-table'
import { Explain } from './explain'
import { JobBanner } from './job-banner'
import { NextFires } from './next-fires'
import { pausesOf } from './pauses'
import { EXECUTIONS_PULSE, JOB_PULSE } from './pulse'
import { Timeline } from './timeline'
import { Versions } from './versions'

const SHOWN = { executions: [JobDocument, JobExecutionsDocument], jobs: [JobDocument, JobVersionsDocument] }
const POLL_INTERVAL = 3_000
const EXCLUSIONS_INTERVAL = 5_000
const route = getRouteApi('/jobs/$jobId')

export default function JobPage() {
  const { jobId } = route.useParams()
  const refetchInterval = usePollInterval(POLL_INTERVAL)
  useRefreshOnEvents(jobId, SHOWN)
  const result = useApi(JobDocument, { id: jobId }, { refetchInterval, pulse: JOB_PULSE })
  return (
    <QueryBoundary query={result} what="the job" lines={8} alone>
      {({ job }) =>
        job ? (
          <InNamespace value={job.namespace}>
            <NamespaceLabels>
              <JobView job={job} refetchInterval={refetchInterval} />
            </NamespaceLabels>
          </InNamespace>
        ) : (
          <Missing icon={FileQuestion} title="There is no such job">
            No job has the id {jobId}.
          </Missing>
        )
      }
    </QueryBoundary>
  )
}

type Job = NonNullable<JobQuery['job']>

function JobView({ job, refetchInterval }: { job: Job; refetchInterval: number }) {
  const executions = useApi(JobExecutionsDocument, { id: job.id }, { refetchInterval, pulse: EXECUTIONS_PULSE })
  const rows = executions.data?.job?.executions.nodes ?? []
  const versions = useApi(JobVersionsDocument, { id: job.id })
  const pauses = useMemo(() => pausesOf(versions.data?.jobVersions ?? []), [versions.data])
  const exclusions = useApi(ExclusionsDocument, {}, { refetchInterval: EXCLUSIONS_INTERVAL })
  const blackouts = blackoutsOf(job, exclusions.data?.blackouts ?? [])
  const hasRun = rows.length > 0
  return (
    <Page
      up={<UpLink to="/jobs" />}
      title={<Name text={job.name} />}
      note={<JobSubtitle job={job} />}
      actions={job.status === 'DELETED' ? <CloneButton job={job} /> : <Commands job={job} />}
    >
      <JobBanner job={job} />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-4">
          <Panel
            title="Timeline"
            aside={hasRun && (rows.length === 1 ? 'its only execution' : `last ${rows.length} executions`)}
          >
            <QueryBoundary query={executions} what="the timeline">
              {() => <Timeline executions={rows} pauses={pauses} blackouts={blackouts} />}
            </QueryBoundary>
          </Panel>
          {hasRun && (
            <div className="grid gap-4 lg:grid-cols-2">
              <Panel title="Duration">
                <DurationChart executions={rows} />
              </Panel>
              <Panel title="Lateness" aside="actual start − due time">
                <LatenessChart executions={rows} />
              </Panel>
            </div>
          )}
          <Panel
            title="Executions"
            aside={
              <Link to="/executions" search={{ job: job.id }} className="text-accent hover:underline">
                See all
              </Link>
            }
            flush
          >
            <QueryBoundary query={executions} what="the executions">
              {() => <ExecutionTable executions={rows.slice(0, 20)} />}
            </QueryBoundary>
          </Panel>
          <Versions jobId={job.id} />
          <JobAudit jobId={job.id} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Definition job={job} />
          <NextFires job={job} />
          <Explain jobId={job.id} />
          {job.status !== 'DELETED' && <Blackouts job={job} blackouts={blackouts} />}
          <Backfills job={job} />
        </div>
      </div>
    </Page>
  )
}

/** Number of tags in the head; the definition has all tags. */
const TAGS_SHOWN = 6

function JobSubtitle({ job }: { job: Job }) {
  return (
    <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
      {badgesOf(job).map((badge) => (
        <StatusBadge key={badge} status={badge} />
      ))}
      {job.inFlight > 0 && (
        <span className="flex items-center gap-1.5">
          <StatusBadge status="RUNNING" />
          {job.inFlight > 1 && `×${job.inFlight}`}
        </span>
      )}
      <span>
        {scheduleWords(job)}
        {job.scheduleType === 'CRON' && ` · ${job.timeZone}`}
      </span>
      <span className="max-w-full truncate" title={describeTarget(job.target)}>
        {describeTarget(job.target)}
      </span>
      <NamespaceLabel name={job.namespace} />
      {job.tags.slice(0, TAGS_SHOWN).map((tag) => (
        <Link
          key={tag}
          to="/jobs"
          search={{ tag: [tag] }}
          title={tag}
          className="max-w-40 truncate rounded bg-hover px-1.5 text-xs hover:text-ink"
        >
          {tag}
        </Link>
      ))}
      {job.tags.length > TAGS_SHOWN && (
        <span className="text-xs" title={job.tags.slice(TAGS_SHOWN).join(', ')}>
          and {counted(job.tags.length - TAGS_SHOWN, 'more tag')}
        </span>
      )}
    </span>
  )
}

function Commands({ job }: { job: Job }) {
  const commands = useJobCommands(job)
  const navigate = route.useNavigate()
  return (
    <>
      <CommandButton command="runJobNow" kind="primary" icon={Zap} onClick={() => void commands.runNow()}>
        Run now
      </CommandButton>
      {job.missedFireTime && (
        <CommandButton command="resumeJob" icon={Zap} onClick={() => void commands.resumeAndRun()}>
          Resume and run
        </CommandButton>
      )}
      {job.status === 'PAUSED' ? (
        <CommandButton command="resumeJob" icon={Play} onClick={() => void commands.resume()}>
          Resume
        </CommandButton>
      ) : (
        !job.hasEnded && (
          <CommandButton command="pauseJob" icon={Pause} onClick={() => void commands.pause()}>
            Pause
          </CommandButton>
        )
      )}
      <CommandLink command="updateJob" icon={Pencil} label="Edit">
        <Link to="/jobs/$jobId/edit" params={{ jobId: job.id }} className={buttonClass()}>
          <Pencil size={15} aria-hidden />
          Edit
        </Link>
      </CommandLink>
      <JobMenu job={job} onDeleted={() => void navigate({ to: '/jobs' })} />
    </>
  )
}

/** The commands for a deleted job. */
function CloneButton({ job }: { job: Job }) {
  return (
    <CommandLink command="createJob" icon={Copy} label="Clone">
      <Link to="/jobs/new" search={{ clone: job.id }} className={buttonClass()}>
        <Copy size={15} aria-hidden />
        Clone
      </Link>
    </CommandLink>
  )
}
