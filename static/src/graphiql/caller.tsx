import { useEffect, useState } from 'react'
import { BASE, GRAPHQL } from '@/api/base'

interface Me {
  name: string
  kind: string
  role: string | null
  namespaceRoles: { namespace: string; role: string }[]
}

/** Who sends the operations of this page: the session of the dashboard, in the same browser. */
export function Caller() {
  const [me, setMe] = useState<Me | null | undefined>(undefined)
  useEffect(() => {
    const look = () =>
      readMe().then(setMe, () => {
        // Without an answer the line stays as it was.
      })
    void look()
    // The user may have signed in in another tab.
    addEventListener('focus', look)
    return () => removeEventListener('focus', look)
  }, [])
  if (me === undefined) return null
  if (me === null) {
    return (
      <>
        No session: <a href={BASE}>sign in to the dashboard</a>, then come back.
      </>
    )
  }
  if (me.kind === 'ANONYMOUS') return 'No authentication: any client that reaches this node may do everything.'
  return `${me.name}, ${rolesOf(me)}`
}

function rolesOf({ role, namespaceRoles }: Me): string {
  const roles = namespaceRoles.map((one) => `${one.role.toLowerCase()} in ${one.namespace}`)
  return [...(role ? [role.toLowerCase()] : []), ...roles].join(', ') || 'no role'
}

async function readMe(): Promise<Me | null> {
  const response = await fetch(GRAPHQL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ me { name kind role namespaceRoles { namespace role } } }' }),
  })
  if (response.status === 401) return null
  const { data } = (await response.json()) as { data: { me: Me } }
  return data.me
}
