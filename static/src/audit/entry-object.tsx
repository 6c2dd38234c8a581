import { Link } from '@tanstack/react-router'
import type { AuditRowFragment } from '@/api/generated'
import { Name } from '@/components/name'
import { enumLabel } from '@/components/status'

/** What an entry is about; a job and an execution with a link. */
export function EntryObject({ entry: { objectKind, objectId, objectName } }: { entry: AuditRowFragment }) {
  const name = objectName ?? objectId
  if (!name) return objectKind ? enumLabel(objectKind) : <span className="text-faint">–</span>
  const kind = objectKind?.toLowerCase()
  const text = <Name text={name} />
  const className = 'hover:underline'
  if (objectId && kind === 'job') {
    return (
      <Link to="/jobs/$jobId" params={{ jobId: objectId }} className={className}>
        {text}
      </Link>
    )
  }
  if (objectId && kind === 'execution') {
    return (
      <Link to="/executions/$executionId" params={{ executionId: objectId }} className={className}>
        {text}
      </Link>
    )
  }
  return text
}
