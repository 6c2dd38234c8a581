// The form of the sign-in page: a real form, so that password managers fill it in and keep it.

import { type FormEvent, useEffect, useRef, useState } from 'react'
import { errorMessage } from '@/api/client'
import { SignInRefused, signIn } from '@/api/sign-in'
import { Button } from '@/components/button'
import { FIRST } from '@/components/dialog'
import { Fault } from '@/components/fault'
import { TextField } from '@/components/field'
import { PasswordField } from '@/components/password-field'
import { counted } from '@/format/number'

interface SignInFormProps {
  /** The name of the session that ended. */
  name: string
  onSignedIn: (name: string) => void
}

/** Name and password; a refusal in a sentence. */
export function SignInForm({ name: known, onSignedIn }: SignInFormProps) {
  const [name, setName] = useState(known)
  const [password, setPassword] = useState('')
  const [fault, setFault] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const [wait, startWait] = useWait()
  const field = useRef<HTMLInputElement>(null)

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy || wait > 0) return
    setBusy(true)
    setFault(null)
    try {
      await signIn(name.trim(), password)
      onSignedIn(name.trim())
    } catch (error) {
      if (error instanceof SignInRefused && error.retryAfter) startWait(error.retryAfter)
      setFault(faultOf(error))
      // A wrong password is typed again; one that could not be judged is sent again.
      if (error instanceof SignInRefused && error.status === 401) setPassword('')
      field.current?.focus()
    } finally {
      setBusy(false)
    }
  }
  return (
    <form method="post" onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      <TextField
        label="Name"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        value={name}
        {...(!known && { [FIRST]: true })}
        onChange={(event) => setName(event.target.value)}
      />
      <PasswordField
        ref={field}
        label="Password"
        name="password"
        autoComplete="current-password"
        required
        value={password}
        {...(known && { [FIRST]: true })}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Fault>{fault && wait > 0 ? `${fault} Try again in ${counted(wait, 'second')}.` : fault}</Fault>
      <Button kind="primary" type="submit" busy={busy} disabled={wait > 0}>
        Sign in
      </Button>
    </form>
  )
}

function faultOf(error: unknown): string {
  if (!(error instanceof SignInRefused)) return `${errorMessage(error)} Nothing was signed in: try again.`
  if (error.retryAfter) return 'Too many attempts.'
  // One sentence for each of them: which it was is not told.
  if (error.status === 401) return 'The name or the password is wrong, or the user is disabled.'
  if (error.status === 503) return 'The database does not answer, so that nothing can be checked: try again.'
  return error.message
}

/** Seconds that are left, and the function that starts them. */
function useWait(): [number, (seconds: number) => void] {
  const [until, setUntil] = useState(0)
  const [left, setLeft] = useState(0)
  useEffect(() => {
    if (until === 0) return
    const tick = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1_000)))
    tick()
    const timer = setInterval(tick, 250)
    return () => clearInterval(timer)
  }, [until])
  return [left, (seconds) => setUntil(Date.now() + seconds * 1_000)]
}
