from warehouse.ingest.owners import users_of


def test_a_line_is_everybody_s_whom_its_user_fields_name() -> None:
    assert users_of(b'[{"user_id": "a"}, {"x": {"user_id": 7}}, {"user_id": null}, {"user_id": true}]') == ("a", "7")
    assert users_of(b'{"data": "{\\"user_id\\": \\"a\\"}"}') == ("a",)
    assert users_of(b'{"payload": {"user": {"id": "a"}}, "score": NaN}', "payload.user.id") == ("a",)
    assert users_of(b'[{"user_id": "a"}, {"user_id": "b"}, {"user', "user_id") == ("a", "b")
