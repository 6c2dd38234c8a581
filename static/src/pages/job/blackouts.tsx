// The blackouts that hold this job back, now or later, and the question for one of its own.

import { useState } from 'react'
import { ClosuresDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useNow } from '@/app/clock'
import { BlackoutDialog } from '@/blackouts/dialog'
import { BlackoutList } from '@/blackouts/list'
import { Button } from '@/components/button'
import { Panel } from '@/components/panel'

const POLL_INTERVAL = 5_000

export function Blackouts({ job }: { job: { id: string; tags: string[] } }) {
  const [asking, setAsking] = useState(false)
  const now = useNow()
  const { data } = useApi(ClosuresDocument, {}, { refetchInterval: POLL_INTERVAL })
  const blackouts = (data?.blackouts ?? []).filter(({ jobId, tag, endsAt, startsAt }) => {
    const concerns = jobId === job.id || (tag !== null && job.tags.includes(tag)) || (jobId === null && tag === null)
    return concerns && endsAt > startsAt && Date.parse(endsAt) > now
  })
  return (
    <Panel title="Blackouts" aside={<Button onClick={() => setAsking(true)}>Blackout…</Button>} flush>
      {blackouts.length === 0 ? (
        <p className="p-4 text-muted text-sm">In a blackout the job does not start by schedule.</p>
      ) : (
        <BlackoutList blackouts={blackouts} jobId={job.id} />
      )}
      {asking && <BlackoutDialog job={job} onClose={() => setAsking(false)} />}
    </Panel>
  )
}
