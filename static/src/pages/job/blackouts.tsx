// The blackouts that defer this job, now or later, and the dialog for a new one.

import { useState } from 'react'
import type { BlackoutRowFragment } from '@/api/generated'
import { BlackoutDialog } from '@/blackouts/dialog'
import { BlackoutList } from '@/blackouts/list'
import { CommandButton } from '@/commands/offered'
import { Panel } from '@/components/panel'
import { useNow } from '@/lib/clock'

interface BlackoutsProps {
  job: { id: string; tags: string[] }
  /** Blackouts of the job, also past ones. */
  blackouts: BlackoutRowFragment[]
}

export function Blackouts({ job, blackouts }: BlackoutsProps) {
  const [asking, setAsking] = useState(false)
  const now = useNow()
  const ahead = blackouts.filter(({ endsAt }) => Date.parse(endsAt) > now)
  return (
    <Panel
      title="Blackouts"
      aside={
        <CommandButton command="createBlackout" onClick={() => setAsking(true)}>
          Blackout…
        </CommandButton>
      }
      flush
    >
      {ahead.length === 0 ? (
        <p className="p-4 text-muted text-sm">In a blackout the job does not start by schedule.</p>
      ) : (
        <BlackoutList blackouts={ahead} jobId={job.id} />
      )}
      {asking && <BlackoutDialog job={job} onClose={() => setAsking(false)} />}
    </Panel>
  )
}
