// Who changed and commanded the job, for admins.

import { Link } from '@tanstack/react-router'
import { useMay } from '@/access/rights'
import { AuditLogDocument, type AuditRowFragment } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useEntryDialog } from '@/audit/entry-dialog'
import { auditFilterOf } from '@/audit/filter'
import { actionWords } from '@/audit/words'
import { Name } from '@/components/name'
import { Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { StatusBadge } from '@/components/status'
import { Time } from '@/components/time'

/** Entries on the page of the job; the others are a click away. */
const SHOWN = 10
const POLL_INTERVAL = 15_000

/** The newest entries of the audit log about a job. */
export function JobAudit({ jobId }: { jobId: string }) {
  return useMay('auditLog') && <AuditPanel jobId={jobId} />
}

function AuditPanel({ jobId }: { jobId: string }) {
  const variables = { filter: auditFilterOf({ object: jobId }), first: SHOWN, after: null }
  const result = useApi(AuditLogDocument, variables, { refetchInterval: POLL_INTERVAL })
  const { show, dialog } = useEntryDialog()
  return (
    <Panel
      title="Changes and commands"
      aside={
        <Link to="/audit-log" search={{ object: jobId }} className="text-accent hover:underline">
          See all
        </Link>
      }
      flush
    >
      <QueryBoundary query={result} what="the changes and commands">
        {({ auditLog: { nodes } }) =>
          nodes.length === 0 ? (
            <p className="p-4 text-muted text-sm">The audit log has no entry about this job.</p>
          ) : (
            <ol className="divide-y">
              {nodes.map((entry) => (
                <EntryLine key={entry.id} entry={entry} onShow={() => show(entry)} />
              ))}
            </ol>
          )
        }
      </QueryBoundary>
      {dialog}
    </Panel>
  )
}

function EntryLine({ entry, onShow }: { entry: AuditRowFragment; onShow: () => void }) {
  return (
    <li className="flex items-baseline justify-between gap-2 px-4 py-2.5 text-sm">
      <span className="flex min-w-0 items-center gap-2">
        <button type="button" onClick={onShow} className="truncate font-medium hover:underline">
          {actionWords(entry.action)}
        </button>
        {entry.outcome === 'REFUSED' && <StatusBadge status="REFUSED" />}
      </span>
      <span className="text-muted text-xs">
        <Time at={entry.at} /> by <Name text={entry.caller} />
      </span>
    </li>
  )
}
