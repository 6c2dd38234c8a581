import type { JobQuery } from '@/api/generated'
import { type Fact, Facts } from '@/components/facts'
import { Panel } from '@/components/panel'
import { enumLabel } from '@/components/status'
import { CopyButton, TextBlock } from '@/components/text-block'
import { Time } from '@/components/time'
import { inUnits } from '@/format/duration'
import { count, counted } from '@/format/number'
import { zoneOf } from '@/format/schedule'
import { indented } from '@/lib/json'

type Job = NonNullable<JobQuery['job']>

/** Schedule, target, policies and payload of the job. */
export function Definition({ job }: { job: Job }) {
  return (
    <Panel title="Definition" aside={`version ${job.version}`}>
      <div className="flex flex-col gap-4">
        {job.description && <p className="whitespace-pre-line text-sm [overflow-wrap:anywhere]">{job.description}</p>}
        <Facts facts={[...schedule(job), ...policies(job)]} />
        <div className="flex flex-col gap-1.5">
          <h3 className="text-muted text-xs">Target</h3>
          <TextBlock label="Target" text={JSON.stringify(job.target, null, 2)} />
        </div>
        {job.payload && (
          <div className="flex flex-col gap-1.5">
            <h3 className="text-muted text-xs">Payload</h3>
            <TextBlock label="Payload" text={indented(job.payload)} />
          </div>
        )}
        <Facts
          facts={[
            ['Created', job.createdAt && <Time key="created" at={job.createdAt} />],
            ['Changed', job.updatedAt && <Time key="changed" at={job.updatedAt} />],
            ['Id', <Id key="id" id={job.id} />],
          ]}
        />
      </div>
    </Panel>
  )
}

function schedule(job: Job): Fact[] {
  const cron = job.scheduleType === 'CRON'
  const exact = (at: string | null) => at && <Time at={at} as="exact" zone={zoneOf(job)} />
  return [
    ['Schedule', enumLabel(job.scheduleType)],
    ['Expression', job.cronExpression && <code className="font-mono text-xs">{job.cronExpression}</code>],
    ['Zone', cron && job.timeZone],
    [
      'DST',
      cron &&
        job.timeZone !== 'UTC' &&
        `skipped times: ${enumLabel(job.dstGap)}; repeated times: ${enumLabel(job.dstOverlap)}`,
    ],
    ['Calendar', job.calendar],
    ['Interval', job.intervalSeconds && inUnits(job.intervalSeconds)],
    ['Initial delay', job.initialDelaySeconds ? inUnits(job.initialDelaySeconds) : null],
    [job.scheduleType === 'ONCE' ? 'At' : 'Not before', exact(job.startAt)],
    ['Not after', exact(job.endAt)],
    ['Maximum runs', job.maxRuns && count(job.maxRuns)],
    ['Jitter', job.jitterSeconds > 0 && `up to ${inUnits(job.jitterSeconds)}`],
    ['Tags', job.tags.length > 0 && job.tags.join(', ')],
    ['Priority', job.priority === 5 ? null : String(job.priority)],
  ].map(([name, value]) => [name, value || null] as Fact)
}

function policies(job: Job): Fact[] {
  const { retry } = job
  const backoff = `from ${inUnits(retry.initialBackoffSeconds)} to ${inUnits(retry.maxBackoffSeconds)}, ×${retry.multiplier}`
  return [
    ['Misfire policy', `${enumLabel(job.misfirePolicy)} after a grace of ${inUnits(job.misfireGraceSeconds)}`],
    ['Catch-up window', job.catchUpWindowSeconds && inUnits(job.catchUpWindowSeconds)],
    ['Maximum caught up', job.maxCatchUp && count(job.maxCatchUp)],
    ['Overlap policy', enumLabel(job.overlapPolicy)],
    ['Timeout', job.timeoutSeconds ? inUnits(job.timeoutSeconds) : 'none'],
    ['Attempts', retry.maxAttempts === 1 ? 'one' : `${retry.maxAttempts}, ${backoff}`],
    ['Retention', job.retainExecutions && `the newest ${counted(job.retainExecutions, 'execution')}`],
    ['On failure', job.pauseOnFailure ? 'pause the job' : null],
    [
      'If its node dies',
      job.recovery === 'RERUN' ? `run again, at most ${job.maxRecoveries} times` : 'record it as lost',
    ],
  ]
}

function Id({ id }: { id: string }) {
  return (
    <span className="-my-1.5 inline-flex items-center gap-1 font-mono text-xs">
      <span className="[overflow-wrap:anywhere]">{id}</span>
      <CopyButton text={id} label="Copy the id" />
    </span>
  )
}
