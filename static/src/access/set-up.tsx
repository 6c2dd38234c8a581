// The page of the one-time link that a node without users writes to its log: it creates the first admin. The token is
// behind the #, so that no log of a proxy has it.

import { type FormEvent, useEffect, useState } from 'react'
import { BASE } from '@/api/base'
import { errorMessage } from '@/api/client'
import { SignInRefused, setUp } from '@/api/sign-in'
import { Button, buttonClass } from '@/components/button'
import { Fault } from '@/components/fault'
import { TextField } from '@/components/field'
import { Logo } from '@/components/logo'
import { PasswordField, passwordFault } from '@/components/password-field'

interface SetUpProps {
  token: string
  /** Called after the sign-in. */
  onDone: () => void
}

/** Creates the first admin, and signs in. */
export default function SetUp({ token, onDone }: SetUpProps) {
  useEffect(() => {
    document.title = 'Set up · Horolog'
  }, [])
  return (
    <main className="mx-auto mt-[12dvh] flex w-[calc(100vw-2rem)] max-w-sm flex-col gap-5 rounded-xl border bg-surface p-6">
      <div className="flex items-center gap-2.5">
        <Logo />
        <h1 className="font-semibold text-xl">Create the first admin</h1>
      </div>
      {token ? (
        <SetUpForm token={token} onDone={onDone} />
      ) : (
        <p className="text-sm">
          This address has no token. Open the whole link from the log of the node: it ends with a # and the token.
        </p>
      )}
    </main>
  )
}

function SetUpForm({ token, onDone }: SetUpProps) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [faults, setFaults] = useState<{ name?: string; password?: string; all?: string }>({})
  const [busy, setBusy] = useState(false)
  const [gone, setGone] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const fault = passwordFault(password)
    if (fault) return setFaults({ password: fault })
    setBusy(true)
    setFaults({})
    try {
      await setUp(token, name.trim(), password)
      onDone()
    } catch (error) {
      const field = error instanceof SignInRefused ? error.field : null
      if (error instanceof SignInRefused && error.status === GONE) setGone(true)
      else
        setFaults({
          [field === 'name' || field === 'password' ? field : 'all']: errorMessage(error).replace(`${field}: `, ''),
        })
      setBusy(false)
    }
  }
  if (gone) return <Gone />
  return (
    <form method="post" onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      <p className="text-muted text-sm">
        The admin manages users and API tokens. From then on, each request to the cluster needs one of them.
      </p>
      <TextField
        label="Name"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        maxLength={100}
        hint="At most 100 characters, without spaces"
        value={name}
        error={faults.name}
        onChange={(event) => setName(event.target.value)}
      />
      <PasswordField
        label="Password"
        name="password"
        autoComplete="new-password"
        hint="At least 12 characters"
        required
        value={password}
        error={faults.password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Fault>{faults.all}</Fault>
      <Button kind="primary" type="submit" busy={busy}>
        Create admin and sign in
      </Button>
    </form>
  )
}

/** Status of a token that was used, has expired, or is none. */
const GONE = 401

function Gone() {
  return (
    <div role="alert" className="flex flex-col items-start gap-3 text-sm">
      <p>
        This link does not work any more: it was used, it expired, or the cluster has a user already. While there is no
        user, a node with <code className="font-mono text-xs">--set-up-link</code> writes a new link to its log when it
        starts.
      </p>
      <a href={BASE} className={buttonClass()}>
        To the dashboard
      </a>
    </div>
  )
}
