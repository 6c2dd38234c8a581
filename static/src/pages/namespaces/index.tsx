// The namespaces of the cluster, for admins.

import { Link } from '@tanstack/react-router'
import { FolderPlus, Pencil, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { Guarded } from '@/access/guarded'
import { DeleteNamespaceDocument, type NamespaceRowFragment, NamespacesDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useCommand } from '@/commands/command'
import { Button, IconButton } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { Table } from '@/components/table'
import { Time } from '@/components/time'
import { count } from '@/format/number'
import { DEFAULT_NAMESPACE } from '@/namespaces/namespaces'
import { NamespaceDialog } from './namespace-dialog'

const POLL_INTERVAL = 15_000
const HEADERS = ['Name', 'Description', 'Jobs', 'Most jobs', 'Created', 'Commands']

export default function NamespacesPage() {
  return (
    <Guarded command="createNamespace">
      <NamespaceList />
    </Guarded>
  )
}

function NamespaceList() {
  const [open, setOpen] = useState<{ namespace: NamespaceRowFragment | null } | null>(null)
  const result = useApi(NamespacesDocument, {}, { refetchInterval: POLL_INTERVAL })
  return (
    <Page
      title="Namespaces"
      note="Each job belongs to one. Users and API tokens may have roles in some of them only."
      actions={
        <Button kind="primary" icon={FolderPlus} onClick={() => setOpen({ namespace: null })}>
          New namespace
        </Button>
      }
    >
      <QueryBoundary query={result} what="the namespaces" lines={4}>
        {({ namespaces }) => (
          <Panel flush>
            <Table label="Namespaces" headers={HEADERS}>
              {namespaces.map((namespace) => (
                <NamespaceRow key={namespace.name} namespace={namespace} onEdit={() => setOpen({ namespace })} />
              ))}
            </Table>
          </Panel>
        )}
      </QueryBoundary>
      {open && <NamespaceDialog namespace={open.namespace} onClose={() => setOpen(null)} />}
    </Page>
  )
}

function NamespaceRow({ namespace, onEdit }: { namespace: NamespaceRowFragment; onEdit: () => void }) {
  const { name, description, jobCount, maxJobs, createdAt, createdBy } = namespace
  return (
    <tr className="hover:bg-hover/60">
      <th scope="row" className="h-11 px-4 font-medium">
        {name}
      </th>
      <td className="px-4 text-muted [overflow-wrap:anywhere]">{description ? <Name text={description} /> : '–'}</td>
      <td className="px-4 tabular-nums">
        <Link to="/jobs" search={{ namespace: [name] }} className="hover:underline">
          {count(jobCount)}
        </Link>
      </td>
      <td className="px-4 text-muted tabular-nums">{maxJobs === null ? 'no limit' : count(maxJobs)}</td>
      <td className="px-4 text-muted">
        <Time at={createdAt} /> by <Name text={createdBy} />
      </td>
      <td className="px-2 text-right whitespace-nowrap">
        <IconButton icon={Pencil} label={`Edit the namespace ${name}`} onClick={onEdit} />
        {name !== DEFAULT_NAMESPACE && <DeleteButton namespace={namespace} />}
      </td>
    </tr>
  )
}

function DeleteButton({ namespace: { name, jobCount } }: { namespace: NamespaceRowFragment }) {
  const ask = useConfirm()
  const remove = useCommand(DeleteNamespaceDocument, () => `The namespace “${name}” is deleted.`)
  const confirmed = async () => {
    const sure = await ask({
      title: `Delete the namespace “${name}”?`,
      text: 'The roles in it are deleted, too. Its name stays taken if it had jobs.',
      action: 'Delete namespace',
      danger: true,
    })
    if (sure !== null) remove.mutate({ name })
  }
  return (
    <IconButton
      icon={Trash2}
      label={`Delete the namespace ${name}`}
      disabled={jobCount > 0}
      {...(jobCount > 0 && { title: 'Delete its jobs first' })}
      onClick={() => void confirmed()}
    />
  )
}
