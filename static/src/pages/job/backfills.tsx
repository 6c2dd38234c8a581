// The backfills of a job, their progress, and the dialog for a new one.

import { useState } from 'react'
import { BackfillsDocument, type BackfillsQuery, CancelBackfillDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useCommand } from '@/commands/command'
import { CommandButton } from '@/commands/offered'
import { Panel } from '@/components/panel'
import { StatusBadge } from '@/components/status'
import { Time } from '@/components/time'
import { count } from '@/format/number'
import { BackfillDialog } from './backfill-dialog'

const POLL_INTERVAL = 2_000
const SHOWN = 5

type Backfill = BackfillsQuery['backfills'][number]

export function Backfills({ job }: { job: { id: string; scheduleType: string; status: string } }) {
  const [asking, setAsking] = useState(false)
  const { data } = useApi(BackfillsDocument, { jobId: job.id }, { refetchInterval: POLL_INTERVAL })
  const backfills = data?.backfills ?? []
  // A fixed delay has no past fire times, and neither has a job without a schedule.
  const possible = job.status !== 'DELETED' && !['FIXED_DELAY', 'ON_DEMAND'].includes(job.scheduleType)
  if (!possible && backfills.length === 0) return null
  return (
    <Panel
      title="Backfills"
      aside={
        possible && (
          <CommandButton command="backfillJob" onClick={() => setAsking(true)}>
            Backfill…
          </CommandButton>
        )
      }
      flush
    >
      {backfills.length === 0 ? (
        <p className="p-4 text-muted text-sm">Runs the fire times of a past range, once more.</p>
      ) : (
        <ul className="divide-y">
          {backfills.slice(0, SHOWN).map((backfill) => (
            <BackfillItem key={backfill.id} backfill={backfill} />
          ))}
        </ul>
      )}
      {asking && <BackfillDialog jobId={job.id} onClose={() => setAsking(false)} />}
    </Panel>
  )
}

function BackfillItem({ backfill }: { backfill: Backfill }) {
  const cancel = useCommand(
    CancelBackfillDocument,
    () => 'The backfill is stopped; executions that it started continue.',
  )
  return (
    <li className="flex items-start justify-between gap-3 px-4 py-2.5 text-sm">
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-2">
          <StatusBadge status={backfill.state} />
          <span className="tabular-nums">
            {count(backfill.taken)} of {count(backfill.fireTimes)}
          </span>
        </p>
        <p className="text-muted text-xs">
          <Time at={backfill.from} as="short" /> to <Time at={backfill.to} as="short" />
        </p>
      </div>
      {backfill.state === 'RUNNING' && (
        <CommandButton
          command="cancelBackfill"
          busy={cancel.isPending}
          onClick={() => cancel.mutate({ id: backfill.id })}
        >
          Stop
        </CommandButton>
      )}
    </li>
  )
}
