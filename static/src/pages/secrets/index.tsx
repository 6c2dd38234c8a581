// The secrets that jobs refer to: names, hosts and use. No page and no answer of the API has a value.

import { KeySquare, Plus } from 'lucide-react'
import { useState } from 'react'
import { Guarded } from '@/access/guarded'
import { InNamespace } from '@/access/me'
import { type SecretRowFragment, SecretsDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { CommandButton } from '@/commands/offered'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { Empty, QueryBoundary } from '@/components/states'
import { Table } from '@/components/table'
import { Time } from '@/components/time'
import { count } from '@/format/number'
import { NamespaceLabel, NamespaceLabels } from '@/namespaces/label'
import { referenceTo } from '@/secrets/reference'
import { CreateSecretDialog } from './create-dialog'
import { SecretMenu } from './secret-menu'

const POLL_INTERVAL = 15_000
const HEADERS = ['Name', 'Use', 'Hosts', 'Version', 'Jobs', 'Changed', 'Commands']

export default function SecretsPage() {
  return (
    <Guarded command="secrets">
      <SecretList />
    </Guarded>
  )
}

function SecretList() {
  const [creating, setCreating] = useState(false)
  const result = useApi(SecretsDocument, { namespace: null }, { refetchInterval: POLL_INTERVAL })
  return (
    <Page
      title="Secrets"
      note={
        <>
          Values that jobs refer to by <code className="font-mono text-xs">{referenceTo('name')}</code>, or that sign
          their requests. A value is never shown.
        </>
      }
      actions={
        <CommandButton command="createSecret" kind="primary" icon={Plus} onClick={() => setCreating(true)}>
          New secret
        </CommandButton>
      }
    >
      <QueryBoundary query={result} what="the secrets" lines={4}>
        {({ secrets }) => (
          <Panel flush>
            {secrets.length === 0 ? (
              <Empty icon={KeySquare} title="No secret yet">
                A secret keeps a credential out of the definitions of jobs.
              </Empty>
            ) : (
              <NamespaceLabels>
                <Table label="Secrets" headers={HEADERS}>
                  {secrets.map((secret) => (
                    <SecretRow key={`${secret.namespace}/${secret.name}`} secret={secret} />
                  ))}
                </Table>
              </NamespaceLabels>
            )}
          </Panel>
        )}
      </QueryBoundary>
      {creating && <CreateSecretDialog onClose={() => setCreating(false)} />}
    </Page>
  )
}

function SecretRow({ secret }: { secret: SecretRowFragment }) {
  return (
    <tr className="hover:bg-hover/60">
      <th scope="row" className="h-11 px-4 font-medium [overflow-wrap:anywhere]">
        <span className="flex items-center gap-2">
          {secret.name}
          <NamespaceLabel name={secret.namespace} />
        </span>
        {secret.description && (
          <span className="block font-normal text-muted text-xs">
            <Name text={secret.description} />
          </span>
        )}
      </th>
      <td className="px-4 whitespace-nowrap">{secret.isSigning ? 'Signs requests' : 'Sent'}</td>
      <td className="px-4 text-muted [overflow-wrap:anywhere]">{secret.hosts.join(', ')}</td>
      <td className="px-4 tabular-nums">{secret.version}</td>
      <td className="px-4 tabular-nums">{count(secret.jobCount)}</td>
      <td className="px-4 text-muted">
        <Time at={secret.updatedAt} />
      </td>
      <td className="w-12 px-2 text-right">
        <InNamespace value={secret.namespace}>
          <SecretMenu secret={secret} />
        </InNamespace>
      </td>
    </tr>
  )
}
