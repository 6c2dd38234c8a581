import { useState } from 'react'
import { JobVersionsDocument, type JobVersionsQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { ChangeList } from '@/components/change-list'
import { Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { enumLabel } from '@/components/status'
import { Time } from '@/components/time'
import { changesOf } from '@/format/changes'

/** Number of versions before a click for more. */
const FIRST = 5

/** Every change of the job: user, time, and differences. */
export function Versions({ jobId }: { jobId: string }) {
  const result = useApi(JobVersionsDocument, { id: jobId })
  const [all, setAll] = useState(false)
  return (
    <Panel title="Versions" flush>
      <QueryBoundary query={result} what="the versions">
        {({ jobVersions }) => (
          <>
            <ol className="divide-y">
              {jobVersions.slice(0, all ? undefined : FIRST).map((version, index) => (
                <Version key={version.version} version={version} before={jobVersions[index + 1]} />
              ))}
            </ol>
            {jobVersions.length > FIRST && !all && (
              <div className="border-t px-4 py-2">
                <Button kind="quiet" onClick={() => setAll(true)}>
                  Show all {jobVersions.length}
                </Button>
              </div>
            )}
          </>
        )}
      </QueryBoundary>
    </Panel>
  )
}

type Line = JobVersionsQuery['jobVersions'][number]

function Version({ version, before }: { version: Line; before: Line | undefined }) {
  const changes = before ? changesOf(before.definition, version.definition) : []
  return (
    <li className="px-4 py-2.5 text-sm">
      <div className="flex items-baseline justify-between gap-2">
        <span>
          <span className="font-medium">{enumLabel(version.change)}</span>{' '}
          <span className="text-muted">v{version.version}</span>
        </span>
        <span className="text-muted text-xs">
          <Time at={version.changedAt} /> by {version.changedBy}
        </span>
      </div>
      <ChangeList changes={changes} />
    </li>
  )
}
